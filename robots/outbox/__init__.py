"""The outbox: everything that robots send and that the gateway is asked to do, as rows of `OutboxMessage`.

1. `writing` and `bulk` insert messages in the transaction that causes them, and notify the senders at its commit.
2. `sender` (`manage.py send`) runs the steps 3 to 6 in a loop. Any number of senders may run at once.
3. `leases` claims the first sendable message of each ordering key until `leased_until`, by PostgreSQL's clock.
4. `rate_limit` counts the messages of each robot in Redis. The sender releases those above the limit, and in quiet hours
   those for the daytime.
5. The sender submits the messages to the gateway (integrations.gateway.pool), each under its `message_no`.
6. `results` stores each attempt: SENT, WAITING with a later `next_attempt_at`, or FAILED after the fifth attempt (the 24th when
   the gateway's flow control puts the message off).
7. `failed` retries or closes FAILED messages when an operator decides so. `writing.close_messages` closes messages whose
   purpose is gone.

A sender that is killed after step 3 leaves its leases behind. When they end, another sender claims the messages and
submits them under the same `message_no`, which the gateway executes once. `MessageAttempt` has one row per lease, so a
result that is stored twice counts once.

An attempt during which the sender is killed is not counted, because `results` counts it afterwards. This is accepted: a kill
is taken for one by a deployment or the server, which must not use up the attempts of a message. A message that itself kills
its sender is therefore tried again after each lease, without end; the exceptions of a call and of receivers are caught and
counted.

A FAILED message no longer delays the others of its ordering key. When an operator has it tried again, it is sent after messages
that were written later.
"""
