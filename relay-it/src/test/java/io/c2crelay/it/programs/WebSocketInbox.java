package io.c2crelay.it.programs;

import java.io.ByteArrayOutputStream;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The events of the user's end of a WebSocket, in order: whole messages as {@link String} or {@link
 * ByteBuffer}, {@code pong: TEXT}, {@code closed: CODE REASON}, and errors.
 */
final class WebSocketInbox implements WebSocket.Listener {

  private final BlockingQueue<Object> events = new LinkedBlockingQueue<>();
  private final StringBuilder text = new StringBuilder();
  private final ByteArrayOutputStream binary = new ByteArrayOutputStream();

  /** Returns the next event; fails if there is none within 20 s. */
  Object next() {
    try {
      Object next = events.poll(20, TimeUnit.SECONDS);
      if (next == null) {
        throw new AssertionError("no event in 20 s");
      }
      return next;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  @Override
  public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
    text.append(data);
    if (last) {
      events.add(text.toString());
      text.setLength(0);
    }
    return more(socket);
  }

  @Override
  public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
    byte[] bytes = new byte[data.remaining()];
    data.get(bytes);
    binary.writeBytes(bytes);
    if (last) {
      events.add(ByteBuffer.wrap(binary.toByteArray()));
      binary.reset();
    }
    return more(socket);
  }

  @Override
  public CompletionStage<?> onPong(WebSocket socket, ByteBuffer message) {
    events.add("pong: " + StandardCharsets.UTF_8.decode(message));
    return more(socket);
  }

  @Override
  public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
    events.add("closed: " + code + " " + reason);
    return null;
  }

  @Override
  public void onError(WebSocket socket, Throwable error) {
    events.add(error);
  }

  private static CompletionStage<?> more(WebSocket socket) {
    socket.request(1);
    return null;
  }
}
