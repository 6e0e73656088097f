from mission_control.runs.errors import Refusal


class Invalid(Refusal):
    """A verb refuses a value; the answer names the field that holds it."""

    status = 400

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, **{field: [message]})
