"""The gRPC front: thin translations between messages and the layers below."""
