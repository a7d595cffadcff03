"""WeChat: sign-in, the tickets of pages, and payouts by WeChat Pay."""
