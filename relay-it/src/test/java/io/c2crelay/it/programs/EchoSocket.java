package io.c2crelay.it.programs;

import java.nio.ByteBuffer;
import java.util.Queue;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;

/**
 * The server's end of a WebSocket: greets, then sends back what it gets, frame by frame, except
 * {@code close CODE REASON}, which it does.
 */
public final class EchoSocket extends Session.Listener.AbstractAutoDemanding {

  static final String GREETING = "what can I do for you?";

  private final Queue<String> closes;

  /**
   * @param closes is told how it ended, as {@code CODE REASON}
   */
  EchoSocket(Queue<String> closes) {
    this.closes = closes;
  }

  @Override
  public void onWebSocketOpen(Session session) {
    super.onWebSocketOpen(session);
    session.sendText(GREETING, Callback.NOOP);
  }

  @Override
  public void onWebSocketPartialText(String text, boolean last) {
    if (text.startsWith("close ")) {
      String[] words = text.split(" ", 3);
      getSession().close(Integer.parseInt(words[1]), words[2], Callback.NOOP);
    } else {
      getSession().sendPartialText(text, last, Callback.NOOP);
    }
  }

  @Override
  public void onWebSocketPartialBinary(ByteBuffer bytes, boolean last, Callback callback) {
    getSession().sendPartialBinary(bytes, last, callback);
  }

  @Override
  public void onWebSocketClose(int code, String reason, Callback callback) {
    closes.add(code + " " + reason);
    callback.succeed();
  }
}
