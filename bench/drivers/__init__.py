"""The same measures for clients that block (threads) and for clients that await (tasks)."""
