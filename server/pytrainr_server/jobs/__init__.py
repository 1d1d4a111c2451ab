"""Jobs: the queue, the runner that hands them out, the worker that does one."""
