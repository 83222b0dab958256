package io.c2crelay.common.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.util.NetUtil;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What each transport does with a peer whose FIN comes while nobody reads. */
@Timeout(30)
class SteadyEpollTest {
  private static final int SEVERAL_READS = 40_000;

  /** How many bytes each read of the accepted channel gave. */
  private final BlockingQueue<Integer> reads = new LinkedBlockingQueue<>();

  /** How its input ended, and what came after that. */
  private final BlockingQueue<String> ends = new LinkedBlockingQueue<>();

  private final BlockingQueue<Channel> accepted = new LinkedBlockingQueue<>();
  private EventLoopGroup loops;

  @AfterEach
  void stop() throws Exception {
    if (loops != null) {
      loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).sync();
    }
  }

  @ParameterizedTest
  @EnumSource(Transport.class)
  void bytesAndFinThatCameWhileReadingWasPausedAreRead(Transport transport) throws Exception {
    assumeTrue(transport.available(), "not on this machine");
    try (Socket peer = connect(transport)) {
      Channel channel = accepted.take();
      peer.getOutputStream().write(new byte[10]);
      awaitSeen(10);
      pause(channel);
      peer.getOutputStream().write(new byte[SEVERAL_READS]);
      peer.shutdownOutput();
      turnTheLoop(channel); // epoll reads once at a FIN, paused or not
      pause(channel);

      channel.config().setAutoRead(true);
      awaitSeen(SEVERAL_READS);
      assertThat(ends.poll(10, TimeUnit.SECONDS)).isEqualTo("FIN after 40010");
      assertThat(channel.isOpen()).isTrue();

      channel.writeAndFlush(channel.alloc().buffer().writeBytes(new byte[] {'o', 'k'})).sync();
      assertThat(peer.getInputStream().readNBytes(2)).asString().isEqualTo("ok");
      turnTheLoop(channel);
      assertThat(ends).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(Transport.class)
  void aFinAloneThatCameWhileReadingWasPausedIsRead(Transport transport) throws Exception {
    assumeTrue(transport.available(), "not on this machine");
    try (Socket peer = connect(transport)) {
      Channel channel = accepted.take();
      pause(channel);
      peer.shutdownOutput();
      turnTheLoop(channel);
      for (int i = 0; i < 3; i++) {
        channel.config().setAutoRead(true);
        turnTheLoop(channel);
        pause(channel);
      }
      channel.config().setAutoRead(true);
      assertThat(ends.poll(10, TimeUnit.SECONDS)).isEqualTo("FIN after 0");
      assertThat(channel.isOpen()).isTrue();
    }
  }

  private Socket connect(Transport transport) throws Exception {
    loops = transport.newEventLoops(1);
    Channel server =
        new ServerBootstrap()
            .group(loops)
            .channel(transport.serverChannel())
            .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    channel.pipeline().addLast(new Recorder());
                    accepted.add(channel);
                  }
                })
            .bind(new InetSocketAddress(NetUtil.LOCALHOST4, 0))
            .sync()
            .channel();
    InetSocketAddress address = (InetSocketAddress) server.localAddress();
    return new Socket(address.getAddress(), address.getPort());
  }

  /** On the loop, after what it has in hand. */
  private static void pause(Channel channel) throws Exception {
    channel.eventLoop().submit(() -> channel.config().setAutoRead(false)).sync();
    turnTheLoop(channel);
  }

  /** Lets the loop look at its sockets twice: it does between two timers. */
  private static void turnTheLoop(Channel channel) throws Exception {
    for (int i = 0; i < 2; i++) {
      channel.eventLoop().schedule(() -> {}, 20, TimeUnit.MILLISECONDS).sync();
    }
  }

  private void awaitSeen(int length) throws Exception {
    for (int left = length; left > 0; ) {
      Integer read = reads.poll(10, TimeUnit.SECONDS);
      assertThat(read).as("a read, with %d bytes to come", left).isNotNull();
      left -= read;
      assertThat(left).isNotNegative();
    }
  }

  private final class Recorder extends ChannelInboundHandlerAdapter {
    private int total;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      ByteBuf bytes = (ByteBuf) msg;
      total += bytes.readableBytes();
      reads.add(bytes.readableBytes());
      bytes.release();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event instanceof ChannelInputShutdownEvent) {
        ends.add("FIN after " + total);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      ends.add("closed after " + total);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      ends.add(cause.toString());
    }
  }
}
