package io.c2crelay.relay.agents;

import io.c2crelay.common.keepalive.Heartbeat;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.auth.KeyRing;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.AgentLink;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The relay's handler of an attached control connection. */
final class ControlHandler extends ChannelInboundHandlerAdapter implements AgentLink {
  private final Channel channel;
  private final ClientAddress client;
  private final String name;
  private final KeyRing.Entry key;
  private final String label;
  private final String version;
  private final InstanceId instance;
  private final long epoch;
  private final @Nullable ByteBuffer targetDigest;
  private final AgentRegistry registry;
  private final RelayEvents events;
  private final Heartbeat heartbeat;
  private volatile boolean draining;
  private boolean ended;

  /**
   * @param name unique in this process, for log lines
   * @param key the key that the agent was authenticated by
   */
  ControlHandler(
      Channel channel,
      ClientAddress client,
      String name,
      Frame.Auth auth,
      KeyRing.Entry key,
      AgentRegistry registry,
      RelayEvents events) {
    this.channel = channel;
    this.client = client;
    this.name = name;
    this.key = key;
    this.registry = registry;
    this.events = events;
    label = auth.label();
    version = auth.programVersion();
    heartbeat =
        new Heartbeat(
            () -> end(ReasonCode.AGENT_LOST, true), nanos -> events.agentAnswered(name, nanos));
    instance = auth.instance();
    epoch = auth.epoch();
    byte[] digest = auth.targetDigest();
    targetDigest = digest == null ? null : ByteBuffer.wrap(digest);
  }

  /** Adds this handler and its heartbeat behind the frame codecs and registers the agent. */
  void begin() {
    channel.pipeline().addLast("heartbeat", heartbeat).addLast("control", this);
    registry.attach(this);
  }

  @Override
  public InstanceId instance() {
    return instance;
  }

  /** The agent process's number for this connection attempt, unsigned. */
  long epoch() {
    return epoch;
  }

  /** The digest of the agent's target; null if it sent none. */
  @Nullable ByteBuffer targetDigest() {
    return targetDigest;
  }

  /** The agent's label: untrusted text. */
  String label() {
    return label;
  }

  /** The version of the agent's program: untrusted text. */
  String version() {
    return version;
  }

  KeyRing.Entry key() {
    return key;
  }

  InetSocketAddress remote() {
    return client.remote();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public ClientNetwork network() {
    return client.network();
  }

  @Override
  public long lastHeardNanos() {
    return heartbeat.lastHeardNanos();
  }

  @Override
  public void dial(List<Frame.Dial.DialRequest> dialRequests) {
    if (channel.isWritable()) {
      channel.writeAndFlush(Frame.Dial.of(dialRequests));
    } else if (channel.isActive()) { // a closed channel is not writable either
      events.agentStalled(name);
      Sockets.run(channel, () -> end(ReasonCode.AGENT_LOST, true));
    }
  }

  @Override
  public void goAway(ReasonCode reason) {
    if (reason == ReasonCode.DRAINING) {
      draining = true;
    }
    channel.writeAndFlush(Frame.GoAway.of(reason));
  }

  /** Sends GOAWAY and closes the connection. On any thread. */
  void close(ReasonCode reason) {
    Sockets.run(
        channel,
        () -> {
          goAway(reason);
          end(reason, false);
        });
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (ended) {
      ReferenceCountUtil.release(msg);
    } else if (msg instanceof Frame.DialFailed) {
      Frame.DialFailed failed = (Frame.DialFailed) msg;
      registry.dispatcher().dialFailed(this, failed.token(), failed.reason());
    } else if (msg instanceof Frame.GoAway) {
      goAwayReceived(((Frame.GoAway) msg).reason());
    } else {
      ReferenceCountUtil.release(msg);
      abort(String.valueOf(msg));
    }
  }

  private void goAwayReceived(ReasonCode reason) {
    if (!draining) { // bounds the log lines that an agent can cause
      draining = true;
      events.agentDraining(name, reason);
      registry.dispatcher().draining(this);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    lost();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof ProtocolException) {
      abort(cause.getMessage());
    } else {
      events.controlFailed(name, cause);
      lost();
    }
  }

  private void lost() {
    end(draining ? ReasonCode.DRAINING : ReasonCode.AGENT_LOST, true);
  }

  private void abort(@Nullable String detail) {
    events.controlAborted(client.remote(), name, detail);
    end(ReasonCode.PROTOCOL, true);
  }

  private void end(ReasonCode reason, boolean reset) {
    if (ended) {
      return;
    }
    ended = true;
    registry.detach(this, reason);
    if (reset) {
      Sockets.reset(channel);
    } else {
      channel.close();
    }
  }
}
