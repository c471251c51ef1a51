"""Calls of tools and their results."""

from __future__ import annotations

from typing import Final

from fidelity.features.feature import Feature
from fidelity.features.parts import (
    ANY_TEXT,
    ASKED,
    CALLED,
    CALLS,
    FOUND,
    PDF,
    PLAIN,
    PNG,
    RESULTS,
    THANKS,
    TOOLS,
    call,
    image,
    result,
    results,
    text,
    user,
)

FEATURES: Final = (
    Feature("tool call, its id and result", "tool ids", f"{CALLS}|{RESULTS}", CALLED, TOOLS),
    Feature(
        "ids as vendors give them",
        "tool ids",
        f"{CALLS}|{RESULTS}",
        (
            ASKED,
            [call("functions.search:0"), call("toolu_01A"), call("call_9")],
            results(
                result("functions.search:0", "first"),
                result("toolu_01A", "second"),
                result("call_9", "third"),
            ),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "ids that are not ASCII",
        "tool ids",
        f"{CALLS}|{RESULTS}",
        (
            ASKED,
            [call("Aufruf é 1"), call("呼び出し 2")],
            results(result("Aufruf é 1", "first"), result("呼び出し 2", "second")),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "very long ids",
        "tool ids",
        f"{CALLS}|{RESULTS}",
        (
            ASKED,
            [call("x" * 255 + "1"), call("x" * 255 + "2")],
            results(result("x" * 255 + "1", "first"), result("x" * 255 + "2", "second")),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "tool names that are not ASCII",
        "tool use",
        r".*\.tool_call\.name",
        (ASKED, [call("call_1", name="Wetter für.Bern")], FOUND, THANKS),
        TOOLS,
    ),
    Feature(
        "parallel calls, results in another order",
        "parallel calls",
        f"{CALLS}|{RESULTS}",
        (
            ASKED,
            [call("call_1", '{"q":"Bern"}'), call("call_2", '{"q":"Rome"}')],
            results(result("call_2", "24 degrees"), result("call_1", "18 degrees")),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "calls beside text",
        "parallel calls",
        rf"{CALLS}|{ANY_TEXT}",
        (ASKED, [text("I look it up."), call("call_1")], FOUND, THANKS),
        TOOLS,
    ),
    Feature(
        "words after a call",
        "tool use",
        ANY_TEXT,
        (ASKED, [call("call_1"), text("That may take a while.")], FOUND, THANKS),
        TOOLS,
    ),
    Feature(
        "calls one after the other",
        "parallel calls",
        f"{CALLS}|{RESULTS}",
        (
            ASKED,
            [call("call_1")],
            FOUND,
            [call("call_2", '{"q":"Rome"}')],
            results(result("call_2", "24 degrees")),
            [text("Rome.")],
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "empty arguments",
        "tool use",
        CALLS,
        (ASKED, [call("call_1", "{}")], FOUND, THANKS),
        TOOLS,
    ),
    Feature(
        "arguments to the letter",
        "tool use",
        CALLS,
        (
            ASKED,
            [call("call_1", '{"z":9007199254740993,"a":{"é":[1,null,true,"</x>"]}}')],
            FOUND,
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "tool error",
        "tool errors",
        RESULTS,
        (
            ASKED,
            [call("call_1")],
            results(result("call_1", "No such town", failed=True)),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "tool error with a picture",
        "tool errors",
        r".*\.tool_result(\.content\[1\].*)?",
        (
            ASKED,
            [call("call_1"), call("call_2")],
            results(
                result("call_1", "No such town", PNG, failed=True), result("call_2", "18 degrees")
            ),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "empty result",
        "tool use",
        RESULTS,
        (ASKED, [call("call_1")], results(result("call_1")), THANKS),
        TOOLS,
    ),
    Feature(
        "result of several texts",
        "tool use",
        RESULTS,
        (ASKED, [call("call_1")], results(result("call_1", "18 degrees", "rain")), THANKS),
        TOOLS,
    ),
    Feature(
        "picture in a result",
        "pictures in results",
        r".*\.tool_result\.content\[1\].*",
        (ASKED, [call("call_1")], results(result("call_1", "A map", PNG)), THANKS),
        TOOLS,
    ),
    Feature(
        "pictures in two results",
        "pictures in results",
        r".*\.tool_result\.content\[\d\].*",
        (
            ASKED,
            [call("call_1"), call("call_2")],
            results(
                result("call_1", PNG),
                result("call_2", image("image/jpeg", b"\xff\xd8\xff", "another")),
            ),
            THANKS,
        ),
        TOOLS,
    ),
    Feature(
        "text document in a result",
        "tool use",
        r".*\.tool_result\.content\[0\]\.document",
        (ASKED, [call("call_1")], results(result("call_1", PLAIN)), THANKS),
        TOOLS,
    ),
    Feature(
        "PDF in a result",
        "tool use",
        r".*\.tool_result\.content\[0\]\.document",
        (ASKED, [call("call_1")], results(result("call_1", PDF)), THANKS),
        TOOLS,
    ),
    Feature(
        "result that comes late",
        "tool use",
        RESULTS,
        (ASKED, [call("call_1")], user("Hurry."), [text("Yes.")], FOUND, THANKS),
        TOOLS,
    ),
    Feature(
        "result after other words",
        "tool use",
        RESULTS,
        (ASKED, [call("call_1")], user("Hurry."), FOUND, THANKS),
        TOOLS,
    ),
    Feature("call without a result", "tool use", CALLS, (ASKED, [call("call_1")], THANKS), TOOLS),
    Feature("calls in a request without tools", "tool use", r"tools", CALLED),
)
