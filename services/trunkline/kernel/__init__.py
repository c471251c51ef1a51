"""What every service needs and none owns. Knows no service."""
