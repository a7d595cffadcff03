"""Aliyun: text messages and customer service."""
