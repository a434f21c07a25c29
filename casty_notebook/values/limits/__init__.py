"""What one payload may cost, whatever its encoding: memory, work, depth, keys that collide, and the result of decompression.

Pure. Start reading at `budget`, then `work` for the figures.
"""
