package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.Token;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Opens the data connections that one control connection requests. When the control connection
 * ends, closes the data connections without a session. State is confined to the control
 * connection's event loop; data connections are spread over all loops.
 */
public final class DataDialer implements ConnectionReturn {
  /** How long the relay may take to use or close a connection that returned during a drain. */
  private static final long START_GRACE_SECONDS = 1;

  private final EventExecutor loop;
  private final EventLoopGroup loops;
  private final RelayConnector connector;
  private final SessionStarter sessions;
  private final InetSocketAddress relay;
  private final byte[] channelBinding;
  private final ServiceEvents events;
  private final BiConsumer<Token, ReasonCode> failed;
  private final Deque<Frame.Dial.DialRequest> queued = new ArrayDeque<>();
  private final ChannelGroup withoutSession;
  private final HandshakeLimit limit;
  private int inHandshake;
  private volatile boolean closed;
  private @Nullable Promise<Void> drained;

  /**
   * @param loop the control connection's event loop
   * @param relay the address that the control connection reached
   * @param channelBinding the control connection's channel binding
   * @param maxHandshakes the maximum number of connections in handshake at a time; {@link
   *     HandshakeLimit} may allow fewer
   * @param failed called for each failed dial, on the control connection's loop
   */
  public DataDialer(
      EventLoop loop,
      EventLoopGroup loops,
      RelayConnector connector,
      SessionStarter sessions,
      InetSocketAddress relay,
      byte[] channelBinding,
      int maxHandshakes,
      ServiceEvents events,
      BiConsumer<Token, ReasonCode> failed) {
    this.loop = requireNonNull(loop, "loop");
    this.loops = requireNonNull(loops, "loops");
    this.connector = requireNonNull(connector, "connector");
    this.sessions = requireNonNull(sessions, "sessions");
    this.relay = requireNonNull(relay, "relay");
    this.channelBinding = channelBinding.clone();
    this.events = requireNonNull(events, "events");
    this.failed = requireNonNull(failed, "failed");
    withoutSession = new DefaultChannelGroup(loop, true);
    limit = new HandshakeLimit(maxHandshakes, loop.ticker().nanoTime());
  }

  /** Opens a connection for each dial request. On the control connection's event loop. */
  public void dial(Frame.Dial dial) {
    for (Frame.Dial.DialRequest dialRequest : dial.dialRequests()) {
      if (closed || queued.size() >= RelayProtocol.MAX_TOKENS) {
        failed.accept(dialRequest.token(), closed ? ReasonCode.DRAINING : ReasonCode.LIMIT);
      } else {
        queued.add(dialRequest);
      }
    }
    dialQueued();
  }

  private void dialQueued() {
    while (limit.allows(inHandshake) && !queued.isEmpty()) {
      inHandshake++;
      new DataDial(this, queued.remove(), loops.next()).start();
    }
  }

  /** A dial has succeeded or failed. On any thread. */
  void dialEnded(DataDial dial, boolean success, ReasonCode reason) {
    loop.execute(
        () -> {
          if (success) {
            long now = loop.ticker().nanoTime();
            limit.succeeded(now - dial.startNanos(), inHandshake, now);
          } else if (!closed) {
            failed.accept(dial.dialRequest().token(), reason);
          }
          inHandshake--;
          dialQueued();
        });
  }

  /**
   * Rejects dial requests from now on and closes the connections without a session. On the control
   * connection's event loop.
   */
  public void close() {
    closed = true;
    queued.clear();
    withoutSession.close();
  }

  /**
   * Like {@link #close}, but first gives the relay {@code seconds} to close the connections without
   * a session. On the control connection's event loop.
   *
   * @return completes when every connection is closed or has a session
   */
  public Future<Void> drain(long seconds) {
    closed = true;
    queued.clear();
    drained = loop.newPromise();
    Future<?> timeout = loop.schedule(() -> withoutSession.close(), seconds, TimeUnit.SECONDS);
    drained.addListener(done -> timeout.cancel(false));
    completeDrainIfEmpty();
    return drained;
  }

  private void completeDrainIfEmpty() {
    if (drained != null && withoutSession.isEmpty()) {
      drained.trySuccess(null);
    }
  }

  /** Adds a new connection, without a session. On any thread. */
  void opened(Channel data) {
    sessionless(data);
    data.closeFuture()
        .addListener(
            done -> {
              withoutSession.remove(data); // which the group may do only after this listener
              checkDrain();
            });
  }

  /** A connection has no session, or no longer. On any thread. */
  void sessionless(Channel data) {
    withoutSession.add(data);
  }

  /** Removes a connection that has a session now. On any thread. */
  void sessionStarted(Channel data) {
    withoutSession.remove(data);
    checkDrain();
  }

  @Override
  public boolean isOpen() {
    return !closed;
  }

  @Override
  public void takeBack(Channel data) {
    WarmConnection.addTo(data, this);
    if (closed) {
      data.eventLoop()
          .schedule(
              () -> {
                if (withoutSession.contains(data)) {
                  data.close();
                }
              },
              START_GRACE_SECONDS,
              TimeUnit.SECONDS);
    }
  }

  private void checkDrain() {
    loop.execute(this::completeDrainIfEmpty);
  }

  RelayConnector connector() {
    return connector;
  }

  SessionStarter sessions() {
    return sessions;
  }

  InetSocketAddress relay() {
    return relay;
  }

  byte[] channelBinding() {
    return channelBinding.clone();
  }

  ServiceEvents events() {
    return events;
  }
}
