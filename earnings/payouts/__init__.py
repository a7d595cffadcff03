"""Payouts of approved withdrawals through WeChat Pay: never lost, never paid twice.

`worker` calls WeChat Pay, `state` applies its answers to the payout and the ledger, `pauses` stops sending, and
`reconciliation` compares a day with WeChat Pay's bills.

1. An approval creates a `Payout` in state PREPARED. Its number at WeChat Pay is the withdrawal's id, for ever.
2. A worker leases the payout, marks it SENT, commits, and only then calls WeChat Pay.
3. An answer, a query or a notify is applied by `state.apply_bill`, in any order and any number of times.
4. Without an answer the same number is queried; if WeChat Pay does not know it, the same number is sent again.
5. A payout ends by WeChat Pay's report, or when WeChat Pay refused it and has no bill, or by an operator's decision; the
   same database transaction ends the withdrawal and posts to the ledger. A rejection withdraws a payout still PREPARED.
6. A payout that queries can no longer decide (`state.leave_to_operators`) waits for an operator, who looks it up at
   WeChat Pay.

A process killed before step 2 commits leaves a PREPARED payout; killed later, a SENT payout whose lease expires after
two minutes and which is then queried. Both are found by the next sweep (earnings.tasks).
"""
