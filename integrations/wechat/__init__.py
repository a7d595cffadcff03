"""WeChat: sign-in, tickets of its pages, and payouts by WeChat Pay."""
