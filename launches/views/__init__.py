"""The doors of launches and of mass messages."""
