"""Sinks for subscriptions.

addresses  which receivers may be reached, and at which of their addresses
webhook    POST to a URL, signed
"""
