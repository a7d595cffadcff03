"""Payouts of approved withdrawals through WeChat Pay: never lost, never paid twice.

`state` holds the states and the table of transitions between them, `worker` calls WeChat Pay and applies its answers by that
table, `blocked_users` stops payouts of blocked users, `pauses` stops all, and `reconciliation` compares a day with WeChat
Pay's records. Two of its terms are used here: a *transfer bill*, or bill, is its record of one transfer, found by our number
`out_bill_no`; the *fund flow* is its statement of a day, a file with one line for each movement of money.

1. An approval creates a `Payout` in state PREPARED. Its `out_bill_no` is the withdrawal's id, for ever.
2. A worker leases the payout, marks it SENT, commits, and only then calls WeChat Pay.
3. The bill in an answer, a query or a notification is applied by `state.apply_bill`, in any order and any number of times.
4. Without an answer the bill is queried; if WeChat Pay has none, the transfer is sent again with the same `out_bill_no`.
5. A payout ends by WeChat Pay's report, or when WeChat Pay refused it and has no bill, or by an operator's decision; the
   same database transaction ends the withdrawal and posts to the ledger. A rejection revokes a payout that is still PREPARED.
6. A payout that queries can no longer decide (`state.leave_to_operators`) waits for an operator, who looks it up at
   WeChat Pay.

A process killed before step 2 commits leaves a PREPARED payout; killed later, a SENT payout whose lease expires after
two minutes and which is then queried. Both are found by the next sweep (earnings.tasks).
"""
