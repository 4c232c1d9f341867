"""Open a page in Chromium (Qt's web engine), and print what it shows and complains about."""

import json
import sys

from PySide6.QtCore import QTimer, QUrl
from PySide6.QtWebEngineCore import QWebEnginePage
from PySide6.QtWidgets import QApplication

from PySide6.QtWebEngineWidgets import QWebEngineView  # isort: skip  # after the application class

LOOK = """JSON.stringify({
    title: document.title,
    images: document.images.length,
    broken: [...document.images].filter(image => !image.naturalWidth).length,
    overflow: Math.max(0, document.body.scrollWidth - window.innerWidth),
})"""


class Page(QWebEnginePage):
    console: list = []

    def javaScriptConsoleMessage(self, level, message, line, source):
        self.console.append(message)


def show(answer):
    print(json.dumps({**json.loads(answer), "console": page.console}), flush=True)
    application.exit(0)


application = QApplication(sys.argv)
view = QWebEngineView()
page = Page(view)
view.setPage(page)
view.resize(1000, 800)
page.loadFinished.connect(lambda ok: page.runJavaScript(LOOK, show) if ok else application.exit(1))
QTimer.singleShot(90_000, lambda: application.exit(2))
page.load(QUrl.fromLocalFile(sys.argv[1]))
view.show()
sys.exit(application.exec())
