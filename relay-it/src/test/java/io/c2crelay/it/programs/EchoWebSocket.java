package io.c2crelay.it.programs;

import java.nio.ByteBuffer;
import java.util.Queue;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;

/**
 * A WebSocket endpoint of the server: sends a greeting, then echoes each frame. The message {@code
 * close CODE REASON} makes it close the WebSocket.
 */
public final class EchoWebSocket extends Session.Listener.AbstractAutoDemanding {

  static final String GREETING = "what can I do for you?";

  private final Queue<String> closes;

  /**
   * @param closes receives {@code CODE REASON} at the close
   */
  EchoWebSocket(Queue<String> closes) {
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
