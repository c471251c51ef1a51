"""One module or folder per wire format; a gateway that differs only in data has none."""
