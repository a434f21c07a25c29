"""A node of casty 0.30 that attacks: what it sends, and what that costs and does to a client."""
