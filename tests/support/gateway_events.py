"""Gateway events in the form in which the gateway posts them."""

from tests.support.entry_points import key_with


def met(user: str, robot: str = "r1") -> dict:
    return {"robot_id": robot, "user_id": user, "nickname": user}


def post(events: object) -> dict:
    return key_with("gateway:events").post("/gateway/events", events)


def event(event_id: str, command: str = "robot_added", body: object = None) -> dict:
    return {"event_id": event_id, "command": command, "body": body or met("u1")}
