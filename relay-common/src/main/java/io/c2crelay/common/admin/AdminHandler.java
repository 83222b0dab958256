package io.c2crelay.common.admin;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.grack.nanojson.JsonWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufOutputStream;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.prometheus.metrics.config.EscapingScheme;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.SocketAddress;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Handles the requests of one connection to the admin endpoint, one at a time. */
final class AdminHandler extends SimpleChannelInboundHandler<FullHttpRequest> {
  private static final PrometheusTextFormatWriter METRICS = PrometheusTextFormatWriter.create();

  /** Delay of the response to a wrong password, to slow down guessing. */
  private static final long WRONG_PASSWORD_SECONDS = 1;

  private final @Nullable String password;
  private final Monitor monitor;
  private final Consumer<SocketAddress> wrongPassword;

  /**
   * A response is being built or written. Auto-read is off meanwhile, so responses cannot pile up.
   */
  private boolean answering;

  /**
   * @param wrongPassword receives the address of a client that sent a wrong password
   */
  AdminHandler(@Nullable String password, Monitor monitor, Consumer<SocketAddress> wrongPassword) {
    this.password = password;
    this.monitor = monitor;
    this.wrongPassword = wrongPassword;
  }

  @Override
  protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
    if (answering || !request.decoderResult().isSuccess()) { // no pipelining
      ctx.close();
      return;
    }
    answering = true;
    ctx.channel().config().setAutoRead(false);
    boolean keepAlive = HttpUtil.isKeepAlive(request);
    boolean head = request.method().equals(HttpMethod.HEAD);
    if (!head && !request.method().equals(HttpMethod.GET)) {
      answer(ctx, text(HttpResponseStatus.METHOD_NOT_ALLOWED, "read-only: GET"), head, keepAlive);
      return;
    }
    QueryStringDecoder uri = new QueryStringDecoder(request.uri());
    boolean health = uri.path().equals("/healthz") || uri.path().equals("/readyz");
    if (!health && !isAllowed(request)) {
      refuse(ctx, request, head, keepAlive);
      return;
    }
    switch (uri.path()) {
      case "/":
        answer(ctx, page(), head, keepAlive);
        break;
      case "/healthz":
        answer(ctx, text(HttpResponseStatus.OK, "ok"), head, keepAlive);
        break;
      case "/readyz":
        List<String> service = uri.parameters().getOrDefault("service", none());
        monitor
            .isReady(service.isEmpty() ? null : service.get(0))
            .addListener(
                (Future<Boolean> ready) -> later(ctx, () -> readiness(ready), head, keepAlive));
        break;
      case "/metrics":
        monitor
            .status(ctx.executor()) // sets gauges
            .addListener(done -> later(ctx, () -> metrics(), head, keepAlive));
        break;
      case "/api/status":
        boolean asText = uri.parameters().getOrDefault("format", none()).contains("text");
        monitor
            .status(ctx.executor())
            .addListener(
                (Future<Map<String, Object>> done) ->
                    later(ctx, () -> status(done, asText), head, keepAlive));
        break;
      default:
        answer(ctx, text(HttpResponseStatus.NOT_FOUND, "not found"), head, keepAlive);
    }
  }

  private static List<String> none() {
    return Collections.emptyList();
  }

  /**
   * Checks the password, if there is one. Otherwise accepts only localhost or an IP address as
   * host, to prevent DNS rebinding.
   */
  private boolean isAllowed(FullHttpRequest request) {
    if (password == null) {
      String host = request.headers().get(HttpHeaderNames.HOST, "");
      String name = host.replaceFirst(":[0-9]*$", "").replaceAll("[\\[\\]]", "");
      return name.equals("localhost")
          || NetUtil.isValidIpV4Address(name)
          || NetUtil.isValidIpV6Address(name);
    }
    String given = request.headers().get(HttpHeaderNames.AUTHORIZATION, "");
    return given.regionMatches(true, 0, "Basic ", 0, 6) && isPassword(given.substring(6).trim());
  }

  private void refuse(
      ChannelHandlerContext ctx, FullHttpRequest request, boolean head, boolean keepAlive) {
    if (password == null) {
      FullHttpResponse refusal = text(HttpResponseStatus.FORBIDDEN, "use an address or localhost");
      answer(ctx, refusal, head, keepAlive);
      return;
    }
    FullHttpResponse refusal = text(HttpResponseStatus.UNAUTHORIZED, "password required");
    refusal.headers().set(HttpHeaderNames.WWW_AUTHENTICATE, "Basic realm=\"admin\"");
    if (request.headers().contains(HttpHeaderNames.AUTHORIZATION)) {
      wrongPassword.accept(ctx.channel().remoteAddress());
      ctx.executor()
          .schedule(
              () -> answer(ctx, refusal, head, keepAlive),
              WRONG_PASSWORD_SECONDS,
              TimeUnit.SECONDS);
    } else {
      answer(ctx, refusal, head, keepAlive);
    }
  }

  /** Compares the password in constant time. Accepts any user name. */
  private boolean isPassword(String credentials) {
    try {
      String decoded = new String(Base64.getDecoder().decode(credentials), UTF_8);
      String given = decoded.substring(decoded.indexOf(':') + 1);
      return MessageDigest.isEqual(given.getBytes(UTF_8), String.valueOf(password).getBytes(UTF_8));
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  private static FullHttpResponse readiness(Future<Boolean> ready) {
    if (ready.cause() instanceof NoSuchElementException) {
      return text(HttpResponseStatus.NOT_FOUND, "no such service");
    }
    return ready.isSuccess() && ready.getNow()
        ? text(HttpResponseStatus.OK, "ready")
        : text(HttpResponseStatus.SERVICE_UNAVAILABLE, "not ready");
  }

  private FullHttpResponse metrics() throws IOException {
    ByteBuf body = Unpooled.buffer();
    METRICS.write(
        new ByteBufOutputStream(body), monitor.metrics().scrape(), EscapingScheme.DEFAULT);
    return response(HttpResponseStatus.OK, PrometheusTextFormatWriter.CONTENT_TYPE, body);
  }

  private static FullHttpResponse status(Future<Map<String, Object>> status, boolean asText) {
    if (!status.isSuccess()) {
      return text(HttpResponseStatus.SERVICE_UNAVAILABLE, "stopping");
    }
    return asText
        ? text(HttpResponseStatus.OK, StatusText.of(status.getNow()))
        : response(
            HttpResponseStatus.OK,
            "application/json",
            Unpooled.copiedBuffer(JsonWriter.string(status.getNow()), UTF_8));
  }

  private static FullHttpResponse page() {
    try (InputStream in = AdminHandler.class.getResourceAsStream("status.html")) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      byte[] part = new byte[8192];
      for (int n = in == null ? -1 : in.read(part); n > 0; n = in.read(part)) {
        bytes.write(part, 0, n);
      }
      FullHttpResponse response =
          response(
              HttpResponseStatus.OK,
              "text/html; charset=utf-8",
              Unpooled.wrappedBuffer(bytes.toByteArray()));
      response
          .headers()
          .set(
              HttpHeaderNames.CONTENT_SECURITY_POLICY,
              "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
                  + " connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'");
      return response;
    } catch (IOException e) {
      return text(HttpResponseStatus.INTERNAL_SERVER_ERROR, "no page");
    }
  }

  private static FullHttpResponse text(HttpResponseStatus status, String text) {
    return response(status, "text/plain; charset=utf-8", Unpooled.copiedBuffer(text + "\n", UTF_8));
  }

  private static FullHttpResponse response(HttpResponseStatus status, String type, ByteBuf body) {
    FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status, body);
    response
        .headers()
        .set(HttpHeaderNames.CONTENT_TYPE, type)
        .set(HttpHeaderNames.CONTENT_LENGTH, body.readableBytes())
        .set(HttpHeaderNames.CACHE_CONTROL, "no-store")
        .set("x-content-type-options", "nosniff");
    return response;
  }

  /** Builds a response; may fail. */
  private interface Answer {
    FullHttpResponse get() throws IOException;
  }

  private void later(ChannelHandlerContext ctx, Answer answer, boolean head, boolean keepAlive) {
    ctx.executor()
        .execute(
            () -> {
              try {
                answer(ctx, answer.get(), head, keepAlive);
              } catch (IOException | RuntimeException e) {
                ctx.close();
              }
            });
  }

  private void answer(
      ChannelHandlerContext ctx, FullHttpResponse response, boolean head, boolean keepAlive) {
    if (head) {
      response.content().clear(); // Content-Length stays
    }
    response
        .headers()
        .set(
            HttpHeaderNames.CONNECTION,
            keepAlive ? HttpHeaderValues.KEEP_ALIVE : HttpHeaderValues.CLOSE);
    ctx.writeAndFlush(response)
        .addListener(
            (ChannelFuture written) -> {
              if (keepAlive && written.isSuccess()) {
                answering = false;
                ctx.channel().config().setAutoRead(true);
              } else {
                ctx.close();
              }
            });
  }

  /** Closes the connection after an I/O error, an oversized request or a read timeout. */
  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close();
  }
}
