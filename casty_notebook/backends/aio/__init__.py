"""What the asyncio rooms of all backends have in common. May know the loop; start reading with `lifecycle`."""
