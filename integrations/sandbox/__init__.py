"""Fakes of the outside systems for local use: WeChat, the gateway, SMS, WeChat Pay, launch system, customer service."""
