"""Sinks for subscriptions.

addresses     which receivers may be reached, and at which of their addresses
cloud_events  events in the form that receivers know
webhook       POST to a URL, signed
"""
