"""Aliyun: signed RPC calls, text messages and customer service."""
