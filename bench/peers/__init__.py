"""The contenders, a file each: `program(task)` prepares everything and returns a function that does the work once.

That function is what is timed: from the starting weights, with data and orders in memory, to the final weights, which
it returns, replicates first. It measures the validation loss (and for digits the accuracy) after every epoch.
"""
