"""What every page of the operators' admin has in common."""
