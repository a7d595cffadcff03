"""The API beside its limits: the operations that are called, the servers that are compared, and the load.

The contestants run as programs of their own, with this folder as their path: they import nothing of the project.
"""
