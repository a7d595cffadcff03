"""Gateway events about a robot in a group, as (command, body)."""


def pulled_in(code: str = "g1", robot: str = "r1", user: str = "wx-alice"):
    return ("wait_for_bind", {"robot_id": robot, "group_id": code, "user_id": user, "name": "好群"})


def bound(code: str = "g1", robot: str = "r1", user: str = "wx-alice", **fields):
    return ("bind_group_success", {"robot_id": robot, "group_id": code, "user_id": user, "name": "好群", **fields})
