"""Payouts: sending approved withdrawals to WeChat Pay and recording how they end."""
