"""The operations of money, by subject."""
