package io.c2crelay.server.agent;

import io.c2crelay.common.keepalive.Heartbeat;
import io.c2crelay.common.logging.LogText;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.server.session.AgentLink;
import io.c2crelay.server.session.Source;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An authenticated control connection on the relay: frames to and from one agent. */
final class ControlHandler extends ChannelInboundHandlerAdapter implements AgentLink {
  private static final Logger log = LoggerFactory.getLogger(ControlHandler.class);

  private final Channel channel;
  private final Source source;
  private final String name;
  private final String label;
  private final InstanceId instance;
  private final long epoch;
  private final @Nullable ByteBuffer targetDigest;
  private final AgentRegistry registry;
  private final Heartbeat heartbeat = new Heartbeat(() -> end(ReasonCode.AGENT_LOST, true));
  private volatile boolean leaving;
  private boolean over;

  /**
   * @param name short and unique in this process, for log lines
   * @param label the agent's own name for itself, made safe for log lines
   */
  ControlHandler(
      Channel channel,
      Source source,
      String name,
      String label,
      Frame.Auth auth,
      AgentRegistry registry) {
    this.channel = channel;
    this.source = source;
    this.name = name;
    this.label = label;
    this.registry = registry;
    instance = auth.instance();
    epoch = auth.epoch();
    byte[] digest = auth.targetDigest();
    targetDigest = digest == null ? null : ByteBuffer.wrap(digest);
  }

  /** Takes the connection over: its pipeline turns bytes into frames. */
  void begin() {
    channel.pipeline().addLast("heartbeat", heartbeat).addLast("control", this);
    registry.attach(this);
  }

  @Override
  public InstanceId instance() {
    return instance;
  }

  /** Unsigned. */
  long epoch() {
    return epoch;
  }

  /** A digest of the agent's target; null if it sent none. */
  @Nullable ByteBuffer targetDigest() {
    return targetDigest;
  }

  String label() {
    return label;
  }

  Channel channel() {
    return channel;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Source source() {
    return source;
  }

  @Override
  public long lastHeardNanos() {
    return heartbeat.lastHeardNanos();
  }

  @Override
  public void dial(List<Frame.Dial.Ticket> tickets) {
    if (channel.isWritable()) {
      channel.writeAndFlush(Frame.Dial.of(tickets));
    } else if (channel.isActive()) { // what is closed is not writable either
      log.warn("agent.stalled agent={} note=\"it does not read its control connection\"", name);
      Sockets.run(channel, () -> end(ReasonCode.AGENT_LOST, true));
    }
  }

  @Override
  public void goAway(ReasonCode reason) {
    if (reason == ReasonCode.DRAINING) {
      leaving = true;
    }
    channel.writeAndFlush(Frame.GoAway.of(reason));
  }

  /** Says goodbye and closes. */
  void dismiss(ReasonCode reason) {
    Sockets.run(
        channel,
        () -> {
          goAway(reason);
          end(reason, false);
        });
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (over) {
      ReferenceCountUtil.release(msg);
    } else if (msg instanceof Frame.DialFailed) {
      Frame.DialFailed failed = (Frame.DialFailed) msg;
      registry.broker().dialFailed(this, failed.token(), failed.reason());
    } else if (msg instanceof Frame.GoAway) {
      leave(((Frame.GoAway) msg).reason());
    } else {
      ReferenceCountUtil.release(msg);
      abort(String.valueOf(msg));
    }
  }

  private void leave(ReasonCode reason) {
    if (!leaving) { // once: an agent must not fill the log
      leaving = true;
      log.info("agent.leaving agent={} reason={}", name, reason);
      registry.broker().leaving(this);
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
      log.debug("control.failed agent={} cause={}", name, Sockets.describe(cause));
      lost();
    }
  }

  private void lost() {
    end(leaving ? ReasonCode.DRAINING : ReasonCode.AGENT_LOST, true);
  }

  private void abort(@Nullable String detail) {
    log.warn(
        "connection.aborted from={} kind=control agent={} reason={} detail={}",
        Sockets.text(channel.remoteAddress()),
        name,
        ReasonCode.PROTOCOL,
        LogText.value(detail));
    end(ReasonCode.PROTOCOL, true);
  }

  private void end(ReasonCode reason, boolean hard) {
    if (over) {
      return;
    }
    over = true;
    registry.detach(this, reason);
    if (hard) {
      Sockets.reset(channel);
    } else {
      channel.close();
    }
  }
}
