"""A queue that may give a job out twice, on a virtual clock: who is given which job, and which deliveries overlap."""
