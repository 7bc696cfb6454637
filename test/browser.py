"""A headless Chromium for tests, driven through its DevTools protocol.

The protocol is spoken over two pipes (`--remote-debugging-pipe`): JSON messages with a
zero byte behind each. So no package is needed: Selenium would bring a driver of the
browser's very version, and Playwright 45 MB with a Node.js of its own.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from itertools import count

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = (
    "no Chromium here, so no page is tried in a browser: apt-get install chromium (or "
    "name one in DISTILMOS_CHROMIUM)"
)
# A name that would run, were it taken for markup.
EVIL = (
    "<script>document.title='taken'<\u2215script><img src=x onerror=document.title=2>"
)


def find_chromium():
    """Return a Chromium's path, or None."""
    named = os.environ.get("DISTILMOS_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One process; `open` gives a page."""

    def __init__(self, program, folder):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self.log = folder / "chromium.log"
        options = [
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder / 'profile'}",
            *("--no-first-run", "--disable-gpu", "--disable-extensions"),
            *("--disable-background-networking", "--disable-dev-shm-usage"),
            *("--autoplay-policy=no-user-gesture-required", "--mute-audio"),
            *("--hide-scrollbars", "--disable-component-update"),
            *(["--no-sandbox"] if os.getuid() == 0 else []),
        ]

        def place_pipes():  # the browser expects them as 3 (to read) and 4
            a, b = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(a, 3)
            os.dup2(b, 4)

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, *options, "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=False,
                preexec_fn=place_pipes,
                env={**os.environ, "HOME": str(folder), "LANG": "C.UTF-8"},
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = os.fdopen(ours_in, "rb"), ours_out
        self._kept, self._numbers, self.events = b"", count(1), []

    def call(self, method, session=None, **params):
        """Ask for something and return the answer's result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def _receive(self):
        while b"\0" not in self._kept:
            block = self._in.read1(1 << 16)
            if not block:
                raise RuntimeError(f"Chromium ended: {self.log.read_text()[-2000:]}")
            self._kept += block
        message, _, self._kept = self._kept.partition(b"\0")
        return json.loads(message)

    def open(self, path, width=1200, height=900, dark=False, wait="#table tr"):
        """Open a local file, or an address, in a page of its own."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = BrowserPage(self, target, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.size(width, height)
        page.media(dark=dark)
        address = path if isinstance(path, str) else path.absolute().as_uri()
        started = time.monotonic()
        page.call("Page.navigate", url=address)
        if wait:
            page.wait(f"document.querySelector({json.dumps(wait)})")
        page.opened_in = time.monotonic() - started
        return page

    def close(self):
        try:
            self.call("Browser.close")
        except RuntimeError:
            pass  # it may be gone before it answers
        os.close(self._out)
        self._in.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class BrowserPage:
    """A page: run scripts in it, press keys, look at it."""

    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def run(self, script):
        """Return the value of an expression; an exception in the page is one here."""
        found = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise AssertionError(
                details.get("exception", {}).get("description") or details["text"]
            )
        return found["result"].get("value")

    def wait(self, condition, seconds=10.0):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, f"not true after {seconds} s: {condition}"
            time.sleep(0.02)

    def texts(self, selector):
        """Return what the elements of a selector show."""
        return self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".map((e) => e.textContent.trim())"
        )

    def click(self, selector):
        """Click in the middle of an element, as a hand would."""
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        x, y = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect();"
            " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                **{"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1},
            )

    def key(self, key, code=0):
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {}
        key_code = {"windowsVirtualKeyCode": code} if code else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **text, **key_code)

    def write(self, selector, text):
        """Put text into a field, as typing does."""
        self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f" e.value = {json.dumps(text)};"
            " e.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def size(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, dark=False, still=False, medium=""):
        features = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        self.call(
            "Emulation.setEmulatedMedia",
            media=medium,
            features=[{"name": k, "value": v} for k, v in features.items()],
        )

    def screenshot(self, path, whole=False):
        """Write a PNG of what is seen, or of the whole page."""
        data = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path):
        """Print to a PDF."""
        path.write_bytes(
            base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])
        )

    def complaints(self):
        """Return what the page's console and the browser's log told of this page."""
        self.run("0")  # what was told before has arrived when this is answered
        told = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            params = event["params"]
            if event["method"] == "Log.entryAdded":
                told.append(params["entry"]["text"])
            elif event["method"] == "Runtime.exceptionThrown":
                told.append(str(params["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled":
                told.append(str(params["args"]))
        return told

    def requests(self):
        """Return the addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("sessionId") == self.session
            and event["method"] == "Network.requestWillBeSent"
        ]

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
