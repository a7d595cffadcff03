"""The outbox: messages are written in the caller's transaction, claimed by senders under a lease, sent and finished."""
