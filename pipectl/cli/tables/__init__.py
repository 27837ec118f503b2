"""How commands show runs and plans to people."""
