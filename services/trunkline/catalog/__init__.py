"""The catalog: what can be asked, under which name, and where a request without one goes."""
