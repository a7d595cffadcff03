/* Plays WeChat's JS-SDK and the bridge of WeChat's browser in any browser, against the sandbox. */
(function () {
  "use strict";

  var sandbox = new URL(document.currentScript.src).origin;
  var whenReady = [];
  var whenFailed = [];

  function ask(method, path, fields) {
    return fetch(sandbox + path + "?" + new URLSearchParams(fields), { method: method }).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    });
  }

  function run(callbacks, result) {
    callbacks.forEach(function (callback) { callback(result); });
  }

  function makeButton(text, act) {
    var button = document.createElement("button");
    button.textContent = text;
    button.style.cssText = "display:block;width:100%;margin-top:12px;padding:12px;font-size:17px";
    button.addEventListener("click", act);
    return button;
  }

  /* The page that WeChat shows over ours. */
  function show(transfer, params, done) {
    var cover = document.createElement("div");
    var sheet = document.createElement("div");
    function close(result) {
      cover.remove();
      done({ err_msg: "requestMerchantTransfer:" + result });
    }
    cover.id = "sandbox-transfer";
    cover.style.cssText = "position:fixed;inset:0;background:rgba(0,0,0,.6);display:flex;align-items:flex-end";
    sheet.style.cssText = "flex:1;background:#fff;color:#111;padding:24px;text-align:center;font-size:17px";
    sheet.textContent = "沙箱里的微信：收到转账 " + (transfer.amount / 100).toFixed(2) + " 元";
    sheet.appendChild(makeButton("收款", function () {
      ask("POST", "/phone/transfer", params).then(function () { close("ok"); }, function () { close("fail"); });
    }));
    sheet.appendChild(makeButton("以后再说", function () { close("cancel"); }));
    cover.appendChild(sheet);
    document.body.appendChild(cover);
  }

  window.WeixinJSBridge = {
    invoke: function (name, params, done) {
      if (name !== "requestMerchantTransfer") {
        done({ err_msg: name + ":fail" });
        return;
      }
      ask("GET", "/phone/transfer", params).then(
        function (transfer) { show(transfer, params, done); },
        function () { done({ err_msg: name + ":fail" }); }
      );
    }
  };

  window.wx = {
    config: function (given) {
      var page = window.location.href.split("#")[0];
      var fields = { appId: given.appId, noncestr: given.nonceStr, timestamp: given.timestamp, url: page };
      fields.signature = given.signature;
      ask("GET", "/phone/config", fields).then(
        function () { run(whenReady); },
        function () { run(whenFailed, { errMsg: "config:invalid signature" }); }
      );
    },
    ready: function (callback) { whenReady.push(callback); },
    error: function (callback) { whenFailed.push(callback); },
    checkJsApi: function (given) {
      var result = {};
      given.jsApiList.forEach(function (name) { result[name] = name === "requestMerchantTransfer"; });
      given.success({ checkResult: result, errMsg: "checkJsApi:ok" });
    }
  };
})();
