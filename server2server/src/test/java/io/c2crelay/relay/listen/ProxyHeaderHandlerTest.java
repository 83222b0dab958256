package io.c2crelay.relay.listen;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.haproxy.HAProxyMessageDecoder;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProxyHeaderHandlerTest {
  private static final String SIGNATURE = "\\r\\n\\r\\n\\0\\r\\nQUIT\\n";

  private final ClientAddress loadBalancer =
      ClientAddress.of(
          new InetSocketAddress("10.0.0.1", 1), new InetSocketAddress("10.0.0.2", 4000));
  private final EmbeddedChannel channel = new EmbeddedChannel();
  private final StringBuilder passedOn = new StringBuilder();
  private @Nullable ClientAddress client;
  private boolean active;
  private int refused;

  @BeforeEach
  void start() {
    channel.freezeTime();
    channel
        .pipeline()
        .addLast(
            new HAProxyMessageDecoder(),
            new ProxyHeaderHandler(
                loadBalancer,
                new ProxyHeaderHandler.Owner() {
                  @Override
                  public void accepted(ClientAddress address) {
                    client = address;
                    channel.pipeline().addLast(new Next());
                  }

                  @Override
                  public void refused() {
                    refused++;
                    channel.close();
                  }
                }));
    channel.pipeline().fireChannelActive();
  }

  @AfterEach
  void stop() {
    channel.finishAndReleaseAll();
  }

  /** Replaces {@code \r}, {@code \n} and {@code \0}, and {@code \xFF}, by the byte. */
  private static byte[] bytes(String text) {
    StringBuilder bytes = new StringBuilder();
    String plain = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0");
    for (int i = 0; i < plain.length(); i++) {
      if (plain.startsWith("\\x", i)) {
        bytes.append((char) Integer.parseInt(plain.substring(i + 2, i + 4), 16));
        i += 3;
      } else {
        bytes.append(plain.charAt(i));
      }
    }
    return bytes.toString().getBytes(ISO_8859_1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "PROXY TCP4 192.0.2.7 198.51.100.1 50000 4000\\r\\n | 192.0.2.7:50000 | 198.51.100.1:4000",
        "PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\\r\\n | [2001:db8::7]:50000 | [2001:db8::1]:443",
        "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 2\\r\\n | 192.0.2.7:1 | 198.51.100.1:2",
        "PROXY UNKNOWN\\r\\n                                | 10.0.0.1:1      | 10.0.0.2:4000",
        SIGNATURE
            + "\\x21\\x11\\0\\x0C\\xC0\\0\\x02\\x07\\xC6\\x33\\x64\\x01\\xC3\\x50\\x0F\\xA0"
            + "| 192.0.2.7:50000 | 198.51.100.1:4000",
        SIGNATURE
            + "\\x21\\x11\\0\\x11\\xC0\\0\\x02\\x07\\xC6\\x33\\x64\\x01\\xC3\\x50\\x0F\\xA0"
            + "\\x05\\0\\x0277 | 192.0.2.7:50000 | 198.51.100.1:4000",
        SIGNATURE + "\\x20\\0\\0\\0 | 10.0.0.1:1 | 10.0.0.2:4000", // LOCAL
      })
  void clientsAddressIsTheHeaders(String header, String remote, String local) {
    byte[] input = bytes(header.trim() + "bytes");
    for (byte b : input) {
      assertThat(active).isFalse();
      channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {b}));
      if (client != null) {
        break;
      }
    }
    assertThat(Sockets.text(client.remote())).isEqualTo(remote);
    assertThat(Sockets.text(client.local())).isEqualTo(local);
    assertThat(active).isTrue();
    channel.writeInbound(Unpooled.copiedBuffer("more", ISO_8859_1));
    assertThat(passedOn).hasToString("more");
    channel.advanceTimeBy(ProxyHeaderHandler.TIMEOUT_SECONDS, SECONDS);
    channel.runScheduledPendingTasks();
    assertThat(channel.isOpen()).isTrue();
    assertThat(channel.pipeline().get(HAProxyMessageDecoder.class)).isNull();
  }

  @Test
  void bytesBehindTheHeaderArePassedOn() {
    channel.writeInbound(
        Unpooled.wrappedBuffer(bytes("PROXY TCP4 192.0.2.7 10.0.0.2 50000 4000\\r\\nSSH-2.0-x")));
    assertThat(passedOn).hasToString("SSH-2.0-x");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SSH-2.0-OpenSSH_9.9\\r\\n",
        "\\xC2C2C\\r\\n\\x1A\\n\\x01\\x01\\0\\0\\0\\0\\0\\0", // an agent's preamble
        "PROXY TCP4 192.0.2.7\\r\\n",
        "PROXY TCP4 secret 10.0.0.2 1 2\\r\\n",
        "PROXY TCP4 192.0.2.7 10.0.0.2 99999 4000\\r\\n",
        SIGNATURE + "\\x21\\x12\\0\\x0C\\xC0\\0\\x02\\x07\\xC6\\x33\\x64\\x01\\xC3\\x50\\x0F\\xA0",
        SIGNATURE + "\\x31\\x11\\0\\x0C\\xC0\\0\\x02\\x07\\xC6\\x33\\x64\\x01\\xC3\\x50\\x0F\\xA0",
      })
  void otherBytesAreRefused(String input) {
    channel.writeInbound(Unpooled.wrappedBuffer(bytes(input)));
    assertRefused();
  }

  @Test
  void endlessHeaderIsRefused() {
    channel.writeInbound(Unpooled.wrappedBuffer(bytes("PROXY TCP4 " + "1".repeat(200))));
    assertRefused();
  }

  @Test
  void headerHasThreeSeconds() {
    channel.writeInbound(Unpooled.wrappedBuffer(bytes("PROXY TCP4 ")));
    channel.advanceTimeBy(ProxyHeaderHandler.TIMEOUT_SECONDS, SECONDS);
    channel.runScheduledPendingTasks();
    assertRefused();
  }

  @Test
  void endOfInputBeforeTheHeaderIsRefused() {
    channel.pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    assertRefused();
  }

  private void assertRefused() {
    channel.runPendingTasks();
    assertThat(refused).isEqualTo(1);
    assertThat(client).isNull();
    assertThat(channel.isOpen()).isFalse();
  }

  private final class Next extends ChannelInboundHandlerAdapter {
    @Override
    public void channelActive(ChannelHandlerContext ctx) {
      active = true;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      passedOn.append(((ByteBuf) msg).toString(ISO_8859_1));
      ((ByteBuf) msg).release();
    }
  }
}
