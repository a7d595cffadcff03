"""The outside world for local use: WeChat, the robot gateway, SMS, WeChat Pay, the launch system, customer service."""
