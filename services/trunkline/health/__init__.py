"""Health: how providers fare, as their traffic shows."""
