"""The robot gateway: its events coming in, our calls going out."""
