package io.c2crelay.client;

public final class Client2Client {
  private Client2Client() {}

  public static void main(String[] args) {}
}
