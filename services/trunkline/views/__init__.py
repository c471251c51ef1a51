"""What one service knows of another's data: held in memory, fed by its watch.

Several services hold the same view, and none owns it; it knows contracts only.
"""
