"""Sinks for subscriptions.

addresses   which receivers may be reached, and at which of their addresses
webhook     POST to a URL, signed
brokers     the brokers that the configuration names, and where in them a subscription delivers to
messages    events as brokers get them
publishing  what the sinks for all brokers have in common
nats, kafka, rabbit, redis, sqs, sns
            one type of brokers each, imported when it is used: its library may be missing; aws for the last two
"""
