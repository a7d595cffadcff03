"""The robot gateway: the events that it posts to us, and the calls that we make to it.

An event goes through these steps:

1. `misspellings` finds misspelled fields, which the answer to the POST names.
2. `inbox` stores the events of a POST, each `event_id` once, before the POST is answered.
3. `claiming` locks waiting events that may be handled now: the first of an ordering key, or up to 100 events of a command
   with bulk handlers, in the order of their keys.
4. `handling` parses the body and calls the handlers that apps subscribed in `subscriptions`, in one transaction with the
   new status.

`events` has a class for each command of the gateway: the fields of its body and the order of its events. The handlers
of an event take an object of its class; a body is parsed once for all of them. `event_body` has the base of these classes,
`event_fields` the kinds of fields, and `payloads` the functions that read values.

A worker that is killed in step 3 or 4 leaves nothing behind: PostgreSQL rolls its transaction back, and the next worker
handles the event. The attempt is rolled back too, so it is not counted. This is accepted: a kill is taken for one by a
deployment or the server, which must not use up the attempts of an event, and counting beforehand would cost a commit for
each. An event that itself kills its worker is therefore tried without end, and blocks its ordering key; exceptions are
caught and counted.

A failed event is tried five times; then it is FAILED and waits for an operator. It no longer delays the events of its
ordering key, so an event that an operator replays is handled after events that came later.

A call is described by `calls`. `client` makes one call and waits for the answer; `pool` makes many at once for the
senders of `robots.outbox`. A call whose result a killed process did not store is made again under the same
`message_no`, which the gateway executes once.
"""
