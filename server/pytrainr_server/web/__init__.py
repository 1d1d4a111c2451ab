"""The server's page: what is training, models, data, the server. It calls the service as callers from outside do."""
