"""Building blocks that several contenders use identically."""
