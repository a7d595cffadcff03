"""The operations of people, by subject."""
